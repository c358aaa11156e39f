from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('webhooks', '0002_failing_since'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhook',
            name='waits_until',
            field=models.DateTimeField(null=True),
        ),
    ]
