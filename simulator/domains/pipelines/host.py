"""What pipelines offer to the host, as ``simulator.domain_host.HostHalf`` describes it."""

from simulator.domains.pipelines import offline as space

__all__ = ["space"]
