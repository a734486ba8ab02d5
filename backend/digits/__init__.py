"""What runs inside a training container: data, model, training, evaluation, export and the W&B writer.

A leaf: it imports nothing else of the product, and only relative imports among its own modules, because this folder
alone is shipped to the container. `normalise`, `preprocess`, `strokes` and `metric_lines` need no more than NumPy and
Pillow, import fast, and are what the rest of the product shares with training.
"""
