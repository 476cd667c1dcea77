"""`xmag keys` and `xmag audit`: who may ask, and who did what."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.errors import RequestInvalidError, SetupError

if TYPE_CHECKING:
    from app.access.audit import Action
    from app.access.keys import KeyStore
    from app.settings import Settings

keys_cli = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
audit_cli = typer.Typer(help="Check the audit log: who did what.", no_args_is_help=True)
out, err = Console(), Console(stderr=True)


def _key_store() -> "KeyStore":
    from app.access.keys import KeyStore
    from app.settings import load_settings, prepare_data_dir

    settings = load_settings()
    _check_folder(settings)
    prepare_data_dir(settings)
    return KeyStore(settings.data_dir)


def _check_folder(settings: "Settings") -> None:
    """SetupError if XMAG_DATA_DIR is unset, the default folder is missing, and a service here uses another one."""
    from app.system.running import data_folders

    others = data_folders()
    if not others or settings.data_dir in others:
        return
    named = " or ".join(f"XMAG_DATA_DIR={folder}" for folder in sorted(others))
    if not settings.data_dir.exists() and "data_dir" not in settings.model_fields_set:
        raise SetupError(
            f"There is no data folder {settings.data_dir}. The service on this machine uses {named}. Set it."
        )
    err.print(
        f"The service on this machine does not use {settings.data_dir}. It uses {named}.",
        style="yellow",
        soft_wrap=True,
    )


def _audit_key(action: "Action", detail: str, tenant: str = "") -> None:
    import os

    from app.access.audit import Actor, AuditLog, Event
    from app.settings import load_settings
    from app.system.logs import configure_logs

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)  # to standard error: the output is the key alone
    AuditLog(settings.data_dir).append(Event(action, Actor(f"console:{os.getuid()}"), None, tenant, detail))


@keys_cli.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Name of the person or system that uses it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="submit, read, erase or admin. Repeat for several. Default: submit and read."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Tenant whose jobs it may read. Default: the tenant `default`.")
    ] = None,
    replaces: Annotated[
        str | None,
        typer.Option(
            help="Key to replace. The new key gets its tenant, scopes and jobs. Revoke the old key afterwards."
        ),
    ] = None,
) -> None:
    """Make a key and print it once."""
    from app.access.keys import NEW_KEY_SCOPES, SCOPES

    wanted = scope or list(NEW_KEY_SCOPES)
    unknown = [item for item in wanted if item not in SCOPES]
    if unknown:
        raise RequestInvalidError(f"There is no scope {', '.join(unknown)}. Scopes: {', '.join(SCOPES)}.")
    store = _key_store()
    if replaces is None:
        token = store.create(name, tenant or "default", tuple(known for known in SCOPES if known in wanted))
    elif scope or tenant:
        raise RequestInvalidError("--replaces copies scopes and tenant of the old key. Leave out --scope and --tenant.")
    else:
        token = store.replace(replaces, name)
    made = store.named(name)
    detail = f"{name} {','.join(made.scopes)}" + (f" replaces {replaces}" if replaces else "")
    _audit_key("key.create", detail, made.tenant)
    print(token)  # noqa: T201 (the key is the answer)
    err.print(f"Saved as a hash in {store.path}.", markup=False, highlight=False, soft_wrap=True)
    err.print("Keep it now: it is not shown again. Send it as  Authorization: Bearer KEY", highlight=False)


@keys_cli.command("list")
def keys_list() -> None:
    """List names, tenants and scopes. The keys themselves are never shown."""
    from rich.table import Table

    table = Table("name", "tenant", "scopes", "made")
    store = _key_store()
    err.print(f"Keys in {store.path}:", markup=False, highlight=False, soft_wrap=True)
    for key in store.all():
        table.add_row(key.name, key.tenant, ", ".join(key.scopes), key.created_at)
    out.print(table)


@keys_cli.command("revoke")
def keys_revoke(name: Annotated[str, typer.Argument(help="Name, as in `xmag keys list`.")]) -> None:
    """Revoke a key. It stops working at once."""
    store = _key_store()
    store.revoke(name)
    _audit_key("key.revoke", name)
    err.print(f"{name} is revoked in {store.path}.", markup=False, highlight=False, soft_wrap=True)
    if not store.all():
        err.print("That was the last key: all requests are refused until you make one with `xmag keys create`.")


@audit_cli.command("verify")
def audit_verify(
    expect: Annotated[
        str | None, typer.Option(help="Also check that the log contains this hash, which you noted elsewhere.")
    ] = None,
) -> None:
    """Check that the audit log is complete and unchanged.

    Exit codes: 0 intact, 1 an entry was changed, removed or inserted, 2 wrong usage.
    """
    from app.access.audit import AuditLog
    from app.settings import load_settings

    folder = load_settings().data_dir
    if not folder.is_dir():
        raise SetupError(f"There is no data folder {folder}. Set XMAG_DATA_DIR.")
    verdict = AuditLog(folder).verify(expect)
    for problem in verdict.problems:
        err.print(problem, style="red", markup=False, highlight=False)
    torn = f", {verdict.torn} lines that a crash left unfinished" if verdict.torn else ""
    out.print(f"{verdict.entries} entries{torn}; the last: {verdict.last.number} {verdict.last.sha256}", soft_wrap=True)
    if verdict.problems:
        raise typer.Exit(1)
