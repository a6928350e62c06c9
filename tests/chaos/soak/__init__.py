"""A soak: faults of every kind, one after the other, while events flow; then everything is counted.

python -m tests.chaos.soak --minutes 60 --seed 1
"""
