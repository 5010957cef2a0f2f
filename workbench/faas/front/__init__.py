"""The platform's front door: HTTP, signatures, Lambda's API by its model, and what is seen from outside."""
