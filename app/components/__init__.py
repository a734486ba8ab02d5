"""What pages are made of: one function a file, given plain data, without business logic."""
