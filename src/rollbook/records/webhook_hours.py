"""Deliveries of each webhook and hour."""

from __future__ import annotations

from rollbook.storage.database import Queries, Row, Tx

ADD = """
    INSERT INTO webhook_hours (webhook_id, hour, delivered, failed, duration) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (webhook_id, hour) DO UPDATE SET
        delivered = webhook_hours.delivered + excluded.delivered, failed = webhook_hours.failed + excluded.failed,
        duration = webhook_hours.duration + excluded.duration"""
SINCE = "SELECT hour, delivered, failed FROM webhook_hours WHERE webhook_id = ? AND hour >= ? ORDER BY hour"
EXPIRE = "DELETE FROM webhook_hours WHERE webhook_id = ? AND hour < ?"


async def add(tx: Tx, webhook_id: str, hour: int, delivered: int, failed: int, duration: int) -> None:
    """`duration` is the sum of all of them, in microseconds."""
    await tx.run(ADD, webhook_id, hour, delivered, failed, duration)


async def since(queries: Queries, webhook_id: str, hour: int) -> list[Row]:
    """Hour since 1970, delivered and failed."""
    return await queries.all(SINCE, webhook_id, hour)


async def expire(tx: Tx, webhook_id: str, hour: int) -> None:
    """Drop what is from before this hour."""
    await tx.run(EXPIRE, webhook_id, hour)
