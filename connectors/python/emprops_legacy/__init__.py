"""What emprops-connector-python is made of: see README.md of connectors/python."""
