#include <sys/prctl.h>

#include "connectors/courier/courier.h"

int main() {
    // It holds the operator's credentials and reads what strangers wrote: nothing that it starts may ever be more.
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    emprops::courier::Courier courier;
    return emprops::run_connector(courier);
}
