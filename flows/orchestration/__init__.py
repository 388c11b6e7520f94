"""What Prefect needs: tasks, pages, deployments, servers, workers."""
