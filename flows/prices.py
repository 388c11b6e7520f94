"""What a reply cost in dollars, from the published prices that are shipped with genai-prices."""

from decimal import Decimal

from genai_prices import Usage, calc_price


def cost_usd(
    model: str,
    base_url: str,
    input_tokens: int | None,
    cached_tokens: int | None,
    output_tokens: int | None,
) -> float | None:
    """Return the price of one reply, or None when the tokens or the price are not known.

    A server whose address no provider has published is never priced, whatever its model is called.
    """
    if input_tokens is None or output_tokens is None:
        return None
    usage = Usage(
        input_tokens=input_tokens,
        cache_read_tokens=min(cached_tokens or 0, input_tokens) or None,
        output_tokens=output_tokens,
    )
    try:
        total: Decimal = calc_price(usage, model, provider_api_url=base_url).total_price
    except (LookupError, ValueError):
        return None
    return float(total)
