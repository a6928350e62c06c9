"""Write the files of today's formats: python -m tests.golden"""

from tests.golden import FOLDER, golden_files

for name, content in golden_files().items():
    (FOLDER / name).write_bytes(content)
    print(f"{name}: {len(content)} bytes")
