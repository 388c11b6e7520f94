"""Multi-tenant functions as a service: cold starts, keep-alive, placement and fairness."""
