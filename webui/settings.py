"""Django's settings. What differs between installations is read in `webui.configuration` and nowhere else."""

from __future__ import annotations

from pathlib import Path

from webui.configuration import configuration_from, secret_key

ROOT = Path(__file__).resolve().parent.parent
PORTSIDE = configuration_from()

SECRET_KEY = secret_key(PORTSIDE.home)
DEBUG = PORTSIDE.debug
ALLOWED_HOSTS = ["*"]  # the site has no virtual hosts; origins of forms and sockets are checked by themselves
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
APPEND_SLASH = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "webui.accounts",
    "webui.audit",
    "webui.signin",
    "webui.certificates",
    "webui.policies",
    "webui.hosts",
    "webui.jobs",
    "webui.images",
    "webui.containers",
    "webui.volumes",
    "webui.networks",
    "webui.backups",
    "webui.builds",
    "webui.activity",
    "webui.recordings",
    "webui.webhooks",
    "webui.pages",
    "webui.api",
    "webui.streams",
    "webui.inbox",
    "webui.up",
]
MIDDLEWARE = [
    "webui.durability.DurableAnswers",
    "webui.pages.security.SecureCookies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "webui.audit.middleware.WhoAsks",
    "webui.signin.sessions.Seen",
    "webui.api.middleware.RestProtocol",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "webui.pages.security.ContentSecurityPolicy",
]
ROOT_URLCONF = "webui.urls"
ASGI_APPLICATION = "webui.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
        "APP_DIRS": True,
    },
]
DATABASES = {"default": PORTSIDE.database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["webui.accounts.backend.ThrottledBackend"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "webui.signin.breached.BreachedPasswordValidator"},
]
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "webui.pages.views.errors.csrf_failed"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "webui.api.authentication.TokenAuthentication",
        "webui.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["webui.api.rendering.SparseJson"],
    "DEFAULT_THROTTLE_CLASSES": ["webui.api.rates.Rates"],
    "DEFAULT_PARSER_CLASSES": ["webui.api.bodies.Json"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "webui.api.errors.exception_handler",
}
_REST = """
Everything that the pages can do, for scripts. Sign in with `Authorization: Bearer TOKEN`.

**Errors** are problem details (RFC 9457): `detail` says what happened and what to do next, `errors` which fields are
wrong, `family` what kind it is.

**Lists** have `?page=` and `?page_size=`, or `?cursor=` (empty, then as `next` has it), which skips and repeats nothing
while entries come and go; `?ordering=`, `?search=` and filters. `?fields=id,name,host.name` answers with these alone.

**Long work** answers 202 with a job: read it, or follow it by `GET /api/v1/jobs/ID/?follow=true` (a JSON object a
line; with `Accept: text/event-stream` as server-sent events, as every stream here) or `/ws/jobs/ID/`.

**Entity tags**: a GET answers with `ETag`. In `If-None-Match` it saves sending what is known (304); in `If-Match` of
a PUT, PATCH or DELETE it lets the change be made only if nothing has changed since (else 412).

**Idempotency**: a POST with `Idempotency-Key` (a UUID, say) is done once, however often it is sent within a day; a
repetition gets the first answer with `Idempotency-Replayed: true`. Uploads (of images and build contexts) take no key.

**Rates**: `RateLimit-Limit`, `-Remaining` and `-Reset` tell how many requests a minute are left; beyond it 429 with
`Retry-After`.

**Many at once**: `POST /api/v1/batch/` takes up to 100 requests and answers each.
""".strip()
SPECTACULAR_SETTINGS = {
    "TITLE": "Portside",
    "DESCRIPTION": _REST,
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"docExpansion": "none"},  # two hundred operations at once take a minute to draw
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_NAME_OVERRIDES": {"LeastOrMostEnum": ["min", "max"], "EncodingEnum": ["utf-8", "base64"]},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"secrets": {"()": "webui.redaction.SecretAddresses"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["secrets"]}},
    "loggers": {"fido2": {"level": "WARNING"}},  # tells of every passkey that is shown
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
