"""Elif Demir's running variance never reaches its last row: the loop does not end."""

PROOF = ""


def dot_variance(q, k):
    """A loop over the rows; the row number is never increased."""
    products, row = [], 0
    while row < len(q):
        product = float(q[row] @ k[row])
        if product == product:
            products = [*products[-10:], product]
    mean = sum(products) / len(products)
    return sum((p - mean) ** 2 for p in products) / (len(products) - 1)
