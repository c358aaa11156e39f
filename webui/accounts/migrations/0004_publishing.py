from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_keep_logs_and_recordings")]

    operations = [
        migrations.AddField(
            model_name="team", name="publish_addresses", field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="team", name="publish_default", field=models.CharField(default="127.0.0.1", max_length=39),
        ),
    ]
