"""The words in which Azure says that a job's data cannot be accessed."""

NOT_FOUND = "ScriptExecution.StreamAccess.NotFound"


def not_found(name: str, place: str) -> str:
    """Return the error of an input without data. Azure mounts inputs before the job's own code runs."""
    return (
        f"Failed to mount {place} as the input '{name}'.\n"
        f"Error Code: {NOT_FOUND}\n"
        "Error Message: The requested stream was not found. Please make sure the request uri is correct."
    )
