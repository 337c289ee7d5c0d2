"""What travels: a model and a marshmallow schema for every payload of Registry and Vault."""
