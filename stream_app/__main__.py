"""`python -m stream_app …` is `millstream …`."""

from stream_app.cli import main

main()
