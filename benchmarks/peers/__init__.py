"""What rime is measured beside."""
