#include <sys/prctl.h>

#include "connectors/courier/courier.h"

int main() {
    // Its memory has the credentials of all stores: not for the connectors and commands that run as the same user.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    // It reads what strangers wrote: nothing that it starts may ever be more.
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    emprops::courier::Courier courier;
    return emprops::run_connector(courier);
}
