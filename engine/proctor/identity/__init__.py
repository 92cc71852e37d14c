"""Who somebody is: principals with minted ids, the logins that are linked to them, and API keys.

Which principal may call what is not decided here but in rego/authz.
"""
