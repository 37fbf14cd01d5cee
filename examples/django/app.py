import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
from django.utils.html import format_html
from rollbook_client.integrations.django import current_user, required

SIGN_IN = ["rollbook_client.integrations.django.SignIn"]
settings.configure(ROOT_URLCONF=__name__, DEBUG=True, MIDDLEWARE=SIGN_IN, ROLLBOOK={"url": os.environ["SHOP_URL"]})

HOME = "<h1>Hello, {}</h1> <form method=post action=/sign-out><button>Sign out</button></form>"


@required
def home(request):
    return HttpResponse(format_html(HOME, current_user(request).name))


urlpatterns = [path("", home)]
execute_from_command_line(sys.argv)
