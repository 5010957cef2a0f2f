"""How many invocations may run at once: leases out of the account's pool and a function's own, and how fast they grow.

Apart from placement: a lease says that an invocation may run, not where. Pure, as the scheduler is: the time is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.faas.messages import Limit


@dataclass(slots=True)
class Bucket:
    """Tokens that refill steadily up to `size`, at `size` per `period_s`."""

    size: float
    period_s: float
    tokens: float = -1.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        if self.tokens < 0:
            self.tokens = self.size
        else:
            self.tokens = min(self.size, self.tokens + (now - self.at) * self.size / self.period_s)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(eq=False, slots=True)
class Pool:
    """The concurrency of one function name, over all its versions."""

    name: str
    starts: Bucket
    reserved: int | None = None
    leases: int = 0
    provisioned: dict[str, int] = field(default_factory=dict)  # by version
    versions: int = 0

    @property
    def charge(self) -> int:
        """What it takes of the account: its reservation, else what it uses or keeps ready."""
        if self.reserved is not None:
            return self.reserved
        return max(self.leases, sum(self.provisioned.values())) if self.provisioned else self.leases


class Account:
    """All pools; `burst` new instances per `period_s` is what one function may grow by.

    AWS lets each function grow by 1,000 environments every 10 seconds (Lambda developer guide, "Understanding Lambda
    function scaling").
    """

    def __init__(self, limit: int, burst: int, period_s: float) -> None:
        self.limit = limit
        self.pools: dict[str, Pool] = {}
        self._burst, self._period_s = burst, period_s
        self._charged = 0  # kept, not summed: with hundreds of functions every request would pay for all

    def join(self, name: str) -> Pool:
        """The pool of that name, for one version more."""
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool(name, Bucket(self._burst, self._period_s))
        pool.versions += 1
        return pool

    def leave(self, pool: Pool, version: str) -> None:
        """One version less; a pool without versions stays until its last lease ends."""
        self.provision(pool, version, 0)
        pool.versions -= 1
        if not pool.versions:
            self.reserve(pool, None)
        self._drop_unused(pool)

    def reserve(self, pool: Pool, count: int | None) -> None:
        """Set or lift the pool's reservation."""
        before = pool.charge
        pool.reserved = count
        self._charged += pool.charge - before

    def provision(self, pool: Pool, version: str, count: int) -> None:
        """Set how many instances of `version` are kept ready."""
        before = pool.charge
        if count:
            pool.provisioned[version] = count
        else:
            pool.provisioned.pop(version, None)
        self._charged += pool.charge - before

    def refusal(self, pool: Pool) -> Limit | None:
        """The limit that one lease more would break."""
        if pool.reserved is not None:
            return Limit.FUNCTION if pool.leases >= pool.reserved else None
        grows = pool.leases >= pool.charge
        return Limit.ACCOUNT if grows and self._charged >= self.limit else None

    def lease(self, pool: Pool) -> None:
        """Give one."""
        before = pool.charge
        pool.leases += 1
        self._charged += pool.charge - before

    def release(self, pool: Pool) -> None:
        """Take one back."""
        before = pool.charge
        pool.leases -= 1
        self._charged += pool.charge - before
        self._drop_unused(pool)

    def _drop_unused(self, pool: Pool) -> None:
        if not pool.versions and not pool.leases:
            del self.pools[pool.name]
