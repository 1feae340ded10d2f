"""Header files made from the running kernel's own description of its types."""
