"""What `benchmarks/train_step.py` is made of: cases, contenders, workers."""
