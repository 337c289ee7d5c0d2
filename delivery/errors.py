"""What delivery itself refuses."""


class InvalidConfig(Exception):
    """An app cannot be given delivery as it is set up; the message says what is wrong, why, and what to change."""

    showable = True
