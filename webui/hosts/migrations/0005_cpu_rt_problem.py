from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('hosts', '0004_apparmor'),
    ]

    operations = [
        migrations.AddField(
            model_name='host',
            name='cpu_rt_problem',
            field=models.CharField(blank=True, max_length=500),
        ),
    ]
