"""Who somebody is: passwords, sessions, tokens, invitations, second factors. Rules and secrets
stand here, for pages and command line alike; `analytics.store.log_ins` keeps the records.
"""
