"""Real servers under real load, shared by the contract, fault and bench tests: nothing here is a test."""
