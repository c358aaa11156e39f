"""`/hooks/builds/<rule>/`: where a forge tells of a push. Whoever signs with the rule's secret is the forge."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from engine.errors import DataCorrupt, InvalidArgument, PermissionDenied
from webui.builds.forges import BODY_BYTES
from webui.builds.models import BuildRule
from webui.builds.representation import delivery_as_json
from webui.builds.rules import delivery_take


@csrf_exempt
@require_POST
def build_hook(request: HttpRequest, rule_id: str) -> HttpResponse:
    """202 for a delivery that has begun a build, 200 for one that has not, 403 for a wrong signature."""
    body = request.read(BODY_BYTES + 1)
    if len(body) > BODY_BYTES:
        return _say(413, f"a delivery has at most {BODY_BYTES >> 20} MiB")
    rule = BuildRule.objects.select_related("team", "host__team", "created_by").filter(pk=rule_id).first()
    if rule is None:
        return _say(404, "there is no such rule")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        delivery = delivery_take(rule=rule, headers=headers, body=body)
    except PermissionDenied as error:
        return _say(403, error.message)
    except InvalidArgument as error:
        return _say(400, error.message)
    except DataCorrupt:
        return _say(503, "the site can't read the rule's secret: make a new one on its page")
    if delivery is None:
        return JsonResponse({"detail": "pong"})
    told = delivery_as_json(delivery)
    shown = {name: told[name] for name in ("delivery_id", "ref", "commit", "outcome", "reason", "build")}
    return JsonResponse(shown, status=202 if delivery.build_id else 200)


def _say(status: int, text: str) -> HttpResponse:
    return JsonResponse({"detail": text}, status=status)
