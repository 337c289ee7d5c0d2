"""What ours is measured against: the same POST, each peer in its documented best setting."""
