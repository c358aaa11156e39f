"""The asker's own TLS client certificates, for docker's client."""

from __future__ import annotations

from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.authentication import require_confirmed
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.certificates.models import ClientCertificate
from webui.certificates.representation import certificate_as_json
from webui.certificates.services import DAYS, DAYS_MAXIMUM, authority, certificate_create, certificate_revoke

ORDERING = ("created_at", "name", "expires_at")


class NewCertificate(bodies.Body):
    name = bodies.Text(max_length=80, help_text="How you will know it again.")
    days = bodies.Whole((1, DAYS_MAXIMUM), required=False, help_text=f"How long it lasts; {DAYS} if left out.")


class CertificateSchema(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    fingerprint = serializers.CharField(help_text="SHA-256 of the certificate in DER, in hex.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewCertificateSchema(CertificateSchema):
    ca = serializers.CharField(help_text="ca.pem: what the site's own certificate is checked against.")
    certificate = serializers.CharField(help_text="cert.pem")
    key = serializers.CharField(help_text="key.pem; shown this once.")


class CertificateList(APIView):
    @operation(
        "certificates_list",
        tag="certificates",
        answers={200: page_of(CertificateSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List your TLS client certificates."""
        rows = ClientCertificate.objects.filter(user=request.user)
        return list_response(request, rows, certificate_as_json, ordering=ORDERING)

    @operation(
        "certificates_create",
        tag="certificates",
        body=NewCertificate,
        answers={201: NewCertificateSchema},
        problems=[403],
    )
    def post(self, request: Request) -> Response:
        """Issue a certificate with which docker's client is you. Its key is in this answer and nowhere else."""
        require_confirmed(request)
        row, issued = certificate_create(user=request.user, **bodies.read(NewCertificate, request))
        body = {
            **certificate_as_json(row),
            "ca": authority().ca_pem.decode(),
            "certificate": issued.certificate.decode(),
            "key": issued.key.decode(),
        }
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class CertificateDetail(APIView):
    @operation("certificates_delete", tag="certificates", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, certificate_id: UUID) -> Response:
        """Revoke one of your certificates."""
        certificate_revoke(user=request.user, certificate_id=certificate_id)
        return Response(status=204)
