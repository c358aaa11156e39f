"""`POST /auth`: `docker login` asks whether a registry takes a name and password. The client keeps them, we don't."""

from __future__ import annotations

from engine.errors import InvalidArgument
from webui.dockerapi import asking, shapes
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.errors import Refusal
from webui.dockerapi.registry_auth import IDENTITY_USER
from webui.dockerapi.routing import endpoint
from webui.images.credentials import GivenLogin
from webui.images.services import login_try


@endpoint("POST", "/auth")
async def auth(call: Call) -> Json:
    body = await call.json()
    words = {name: shapes.text(shapes.member(body, name), name) for name in ("username", "password", "serveraddress")}
    token = shapes.text(shapes.member(body, "identitytoken"), "identitytoken")
    if not token and not (words["username"] and words["password"]):
        raise InvalidArgument("give username and password, or an identitytoken")
    login = GivenLogin(IDENTITY_USER, token) if token else GivenLogin(words["username"], words["password"])
    registry = words["serveraddress"].replace("https://index.docker.io/v1/", "docker.io") or "docker.io"
    job = await asking.done(
        await asking.begun(login_try, user=call.user, host=call.host, registry=registry, login=login)
    )
    told = job["result"]
    if not told.get("ok"):
        raise Refusal(401, f"login attempt to {registry} failed: {told.get('message') or 'the registry refuses'}")
    return Json({"Status": "Login Succeeded", "IdentityToken": ""})
