"""What delivery itself refuses."""


class InvalidConfig(Exception):
    """An app cannot be given delivery as it is set up; the message says what is wrong, why, and what to change."""

    showable = True


class UnfitMessage(ValueError):
    """A message was not sent, because every worker would set it aside; the text names the part that is wrong."""

    showable = True

    def __init__(self, part: str) -> None:
        """`part` says what is wrong, and quotes nothing."""
        super().__init__(part)
        self.part = part

    def __str__(self) -> str:
        return f"Not sent, because a worker would set it aside ({self.part}): change the call and send it again."


def unopened_compression(where: str, compression: object) -> str:
    """What to say of a setting that compresses messages in a way that no worker opens."""
    return (
        f"{where} is {compression!r}, and workers open only zlib and gzip: they would set every such message aside. "
        "Set it to 'zlib' or 'gzip', or to None."
    )
