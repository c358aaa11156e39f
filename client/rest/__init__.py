"""Every operation of the REST interface. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from client.rest.actions import Actions
from client.rest.audit import Audit
from client.rest.backup_places import BackupPlaces
from client.rest.backup_plans import BackupPlans
from client.rest.backups import Backups
from client.rest.batch import Batch
from client.rest.builds import Builds
from client.rest.certificates import Certificates
from client.rest.containers import Containers
from client.rest.events import Events
from client.rest.hosts import Hosts
from client.rest.identity_providers import IdentityProviders
from client.rest.images import Images
from client.rest.invitations import Invitations
from client.rest.jobs import Jobs
from client.rest.networks import Networks
from client.rest.recordings import Recordings
from client.rest.registries import Registries
from client.rest.roles import Roles
from client.rest.sessions import Sessions
from client.rest.sign_in import SignIn
from client.rest.signing_keys import SigningKeys
from client.rest.teams import Teams
from client.rest.tokens import Tokens
from client.rest.users import Users
from client.rest.volumes import Volumes
from client.rest.webhooks import Webhooks
from client.transport import Transport


class Rest:
    """All resources."""

    def __init__(self, transport: Transport) -> None:
        self.actions = Actions(transport)
        self.audit = Audit(transport)
        self.backup_places = BackupPlaces(transport)
        self.backup_plans = BackupPlans(transport)
        self.backups = Backups(transport)
        self.batch = Batch(transport)
        self.builds = Builds(transport)
        self.certificates = Certificates(transport)
        self.containers = Containers(transport)
        self.events = Events(transport)
        self.hosts = Hosts(transport)
        self.identity_providers = IdentityProviders(transport)
        self.images = Images(transport)
        self.invitations = Invitations(transport)
        self.jobs = Jobs(transport)
        self.networks = Networks(transport)
        self.recordings = Recordings(transport)
        self.registries = Registries(transport)
        self.roles = Roles(transport)
        self.sessions = Sessions(transport)
        self.sign_in = SignIn(transport)
        self.signing_keys = SigningKeys(transport)
        self.teams = Teams(transport)
        self.tokens = Tokens(transport)
        self.users = Users(transport)
        self.volumes = Volumes(transport)
        self.webhooks = Webhooks(transport)
