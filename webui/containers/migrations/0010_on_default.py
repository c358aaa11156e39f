from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('containers', '0009_attached'),
    ]

    operations = [
        migrations.AddField(
            model_name='container',
            name='on_default',
            field=models.BooleanField(null=True),
        ),
    ]
