#pragma once
// HTTP, addresses and what answers mean come from the library that the connectors share (connectors/stores), and so do
// the tries; here are the names under which this connector knows them.

#include "connectors/stores/http/address.h"
#include "connectors/stores/http/client.h"
#include "connectors/stores/http/meaning.h"
#include "connectors/stores/http/proxied.h"
#include "connectors/stores/http/url.h"
#include "connectors/stores/names/mime_type.h"
#include "connectors/stores/tries.h"

namespace emprops::comfyui {

using stores::FilePart;
using stores::FormPart;
using stores::HttpAnswer;
using stores::HttpClient;
using stores::HttpRequest;
using stores::HttpResponse;
using stores::no_answer;
using stores::NotWritten;
using stores::TooLarge;
using stores::Unreachable;

using stores::absolute_location;
using stores::has_private_address;
using stores::is_public;
using stores::is_public_host;
using stores::is_public_v4;
using stores::is_public_v6;
using stores::is_unknown_name;
using stores::is_web_address;
using stores::may_not_be_asked_for;
using stores::parse_url;
using stores::query;
using stores::shown_proxy;
using stores::tidy_url;
using stores::Url;
using stores::without_secrets;

using stores::answer_text;
using stores::is_access;
using stores::is_html;
using stores::is_nobody_there;
using stores::is_passing;
using stores::is_surely_not_done;
using stores::Meaning;
using stores::meaning_of;
using stores::status_text;

using stores::mime_type_of;
using stores::Tries;
/// Sleeps between two tries, of which the last had a setback with this message; true when the job was cancelled
/// meanwhile.
using Pause = Tries::Sleep;

}  // namespace emprops::comfyui
