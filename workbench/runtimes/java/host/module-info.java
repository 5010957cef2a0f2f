/** What runs inside an instance of a Java service: a Lambda runtime, or an HTTP server of the same handler. */
module workbench.host {
    requires jdk.unsupported; // for sun.misc: signals, and a descriptor that was inherited

    exports workbench.host; // which makes it a root module, so that its main class is found by name
}
