"""Is everything in order? What is measured on this gateway, what it means, and what to do."""
