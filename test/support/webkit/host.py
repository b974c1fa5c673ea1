"""A window with WebKitGTK in it, which WebKitWebDriver starts and drives:

    host.py FOLDER WIDTH HEIGHT

WebKitGTK's own MiniBrowser keeps nothing when a driver starts it, as a private window does. This one keeps its
data in the folder, as a browser that people use.
"""
import ctypes
import signal
import sys

import gi

gi.require_version('Gtk', '3.0')
gi.require_version('WebKit2', '4.1')
from gi.repository import Gtk, WebKit2  # noqa: E402

PR_SET_PDEATHSIG = 1
# Off in the library, on in Safari.
FEATURES = {
    'FileSystem',
    'FileSystemWritableStream',
    'AccessHandle',
    'StorageAPI',
    'StorageAPIEstimate',
}

# However the driver ends, this ends with it; WebKit's other processes end with this one.
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

folder, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = WebKit2.WebsiteDataManager(
    base_data_directory=f'{folder}/data', base_cache_directory=f'{folder}/cache'
)
context = WebKit2.WebContext.new_with_website_data_manager(data)
context.set_automation_allowed(True)

settings = WebKit2.Settings()
settings.set_hardware_acceleration_policy(WebKit2.HardwareAccelerationPolicy.NEVER)
features = WebKit2.Settings.get_all_features()
for index in range(features.get_length()):
    feature = features.get(index)
    if feature.get_identifier() in FEATURES:
        settings.set_feature_enabled(feature, True)

window = Gtk.Window()
window.set_default_size(width, height)
tabs = Gtk.Notebook()
window.add(tabs)
window.connect('destroy', Gtk.main_quit)


def open_tab(_session):
    view = WebKit2.WebView(
        web_context=context, settings=settings, is_controlled_by_automation=True
    )
    tabs.append_page(view, None)
    window.show_all()
    return view


def automate(_context, session):
    application = WebKit2.ApplicationInfo()
    application.set_name('WebKitGTK')
    application.set_version(
        WebKit2.get_major_version(), WebKit2.get_minor_version(), WebKit2.get_micro_version()
    )
    session.set_application_info(application)
    session.connect('create-web-view', open_tab)


context.connect('automation-started', automate)
window.show_all()
Gtk.main()
