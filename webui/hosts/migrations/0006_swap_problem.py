from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('hosts', '0005_cpu_rt_problem'),
    ]

    operations = [
        migrations.AddField(
            model_name='host',
            name='swap_problem',
            field=models.CharField(blank=True, max_length=500),
        ),
    ]
