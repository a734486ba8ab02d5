"""The dashboard: pages read inputs, call one query or service, and render. No AWS, database or TensorFlow in here."""
