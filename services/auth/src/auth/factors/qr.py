"""QR codes (ISO/IEC 18004) as images."""

from io import BytesIO


def svg_of(text: str) -> str:
    """Give a text as a QR code: an SVG image that scales, dark on white also where a page is dark."""
    # Imported here, since a worker never needs it.
    import segno  # noqa: PLC0415

    image = BytesIO()
    segno.make_qr(text, error="m").save(
        image, kind="svg", scale=4, border=4, light="#fff", xmldecl=False, omitsize=True, title="QR code"
    )
    return image.getvalue().decode().strip()
