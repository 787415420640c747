"""What the integration tests are made of: real processes on free ports, and clients to drive them."""
