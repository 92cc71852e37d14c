"""What people decide: waivers now; approvals and break-glass come here."""
