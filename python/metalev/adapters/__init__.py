"""The outside world behind the ports: each module here implements one port and knows nothing of the others."""
