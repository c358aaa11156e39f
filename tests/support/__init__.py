"""What tests stand on: real registries, real images, a throwaway home, a running Portside."""
