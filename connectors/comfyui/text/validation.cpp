#include "connectors/comfyui/text/validation.h"

#include <algorithm>
#include <map>
#include <set>

#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/spelling.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/nearest.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

/// A member of an object, null if there is none.
const Json* member(const Json* value, const std::string& key) {
    if (value == nullptr || !value->is_object()) return nullptr;
    const auto at = value->find(key);
    return at == value->end() ? nullptr : &*at;
}

std::string quoted_list(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        add_item(out, "\"" + word + "\"");
    }
    return out;
}

Failure missing_class(const std::string& class_type, const std::string& where,
                      const std::function<std::vector<std::string>()>& classes) {
    const auto there = classes();
    const auto near = text::nearest(class_type, there);
    const std::string same = counterpart_of(class_type, there).same;
    const std::string wanted =
        "ComfyUI has no node class \"" + class_type + "\"" + (where.empty() ? "" : ", wanted by " + where);
    Failure failure =
        same.empty()
            ? failure_of(
                  Cause::missing_node_class,
                  wanted +
                      ". Install the custom node pack that brings it into ComfyUI's folder custom_nodes and "
                      "restart ComfyUI, or run the job on a worker that has it." +
                      (near.empty() ? "" : " Similar classes here: " + quoted_list(near) + "."))
            : failure_of(Cause::validation, wanted + "; it is there as \"" + same + "\": use that spelling");
    failure.details.update(
        Json{{"class_type", class_type}, {"belongs_to", "custom_nodes"}, {"nearest", near}});
    return failure;
}

/// "Cannot execute because node NoSuchNodeClass does not exist."
std::string class_in_message(const std::string& message) {
    const std::string before = "because node ";
    const auto begin = message.find(before);
    const auto end = message.find(" does not exist");
    if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
    std::string name = message.substr(begin + before.size(), end - begin - before.size());
    if (name.size() > 1 && name.front() == '\'' && name.back() == '\'')
        name = name.substr(1, name.size() - 2);
    return name;
}

struct Problem {
    std::string sentence;
    Json entry;
    Cause cause = Cause::validation;
};

/// The values that an error's input may have.
std::vector<std::string> allowed_values(const std::string& class_type, const Json& error,
                                        const Choices& choices) {
    const Json extra = error.value("extra_info", Json::object());
    std::vector<std::string> allowed;
    const Json config =
        extra.is_object() && extra.contains("input_config") ? extra.at("input_config") : Json();
    if (config.is_array() && !config.empty() && config[0].is_array()) {
        for (const Json& choice : config[0]) {
            allowed.push_back(choice.is_string() ? choice.get<std::string>() : dump(choice));
        }
    }
    if (allowed.empty())
        allowed = choices(class_type, text_of(extra, "input_name"));  // long lists are left out
    return allowed;
}

/// Says so if the value is there under another spelling; false: it is not.
bool is_there(const std::string& where, const std::string& input, const std::string& wanted,
              const Counterpart& counterpart, bool is_model, Problem& problem) {
    const std::string what = where + ", input \"" + input + "\": \"" + wanted + "\" is there as ";
    if (!counterpart.same.empty()) {
        problem.sentence = what + "\"" + counterpart.same + "\"; use that spelling";
        return true;
    }
    if (counterpart.elsewhere.empty()) return false;
    problem.sentence = what + quoted_list(counterpart.elsewhere) + ", in another folder; name it so";
    if (is_model) {
        problem.sentence += ", or run the job on a worker that has it where the workflow says";
        problem.cause = Cause::other_folder;
    }
    return true;
}

Problem value_not_in_list(const std::string& class_type, const std::string& where, const Json& error,
                          const Choices& choices) {
    const Json extra = error.value("extra_info", Json::object());
    const std::string input = text_of(extra, "input_name");
    std::string wanted = text_of(extra, "received_value");
    const std::vector<std::string> allowed = allowed_values(class_type, error, choices);
    const auto near = text::nearest(wanted, allowed);
    Problem problem;
    problem.entry["wanted"] = wanted;
    problem.entry["nearest"] = near;
    problem.entry["allowed_count"] = allowed.size();
    const auto folder = model_folder(class_type, input);
    if (folder) problem.entry["folder"] = "models/" + *folder;
    if (is_there(where, input, wanted, counterpart_of(wanted, allowed), folder.has_value(), problem))
        return problem;
    if (folder) {
        problem.cause = Cause::missing_model;
        problem.sentence = where + " wants the model \"" + wanted + "\" (input " + input +
                           "), which is not in ComfyUI's folder models/" + *folder +
                           "; put it there or run the job on a worker that has it";
    } else {
        problem.sentence =
            where + ", input \"" + input + "\": \"" + wanted + "\" is not one of the allowed values";
    }
    if (!near.empty()) {
        problem.sentence += "; nearest: " + quoted_list(near);
    } else if (!allowed.empty() && allowed.size() <= 8) {
        problem.sentence += "; allowed: " + quoted_list(allowed);
    }
    return problem;
}

Problem one_problem(const std::string& id, const std::string& class_type, const Json& error,
                    const std::vector<Node>& nodes, const Choices& choices) {
    const std::string where = node_text(id, class_type, nodes);
    const std::string type = text_of(error, "type");
    Problem problem;
    if (type == "value_not_in_list") {
        problem = value_not_in_list(class_type, where, error, choices);
    } else {
        const std::string input = text_of(error.value("extra_info", Json::object()), "input_name");
        std::string what = trimmed(text_of(error, "message"), 300);
        const std::string detail = trimmed(text_of(error, "details"), 500);
        if (type == "exception_during_validation" && detail.size() > 2 && detail.front() == '\'' &&
            text_of(error.value("extra_info", Json::object()), "exception_type") == "KeyError") {
            what = "an input is linked to node " + detail + ", which the workflow does not have";
        } else if (!detail.empty() && detail != input) {
            what += " (" + detail + ")";
        }
        problem.sentence = where + (input.empty() ? "" : ", input \"" + input + "\"") + ": " + what;
        const std::string wanted = text_of(error.value("extra_info", Json::object()), "received_value");
        if (!wanted.empty()) problem.entry["wanted"] = trimmed(wanted, 300);
    }
    problem.entry["node"] = id;
    problem.entry["class_type"] = class_type;
    problem.entry["type"] = type;
    const std::string input = text_of(error.value("extra_info", Json::object()), "input_name");
    if (!input.empty()) problem.entry["input"] = input;
    return problem;
}

/// Calls `use` with the node's id, its class and each error that ComfyUI names of it.
template <class Use>
void for_each_error(const Json& body, const Use& use) {
    const Json* node_errors = member(&body, "node_errors");
    if (node_errors == nullptr || !node_errors->is_object()) return;
    for (const auto& [id, entry] : node_errors->items()) {
        const Json* list = member(&entry, "errors");
        if (list == nullptr || !list->is_array()) continue;
        for (const Json& one : *list) {
            if (one.is_object()) use(id, text_of(entry, "class_type"), one);
        }
    }
}

Failure join(std::vector<Problem> problems, const std::string& otherwise) {
    Json entries = Json::array();
    std::string sentences;
    // ComfyUI's order changes from run to run.
    std::sort(problems.begin(), problems.end(),
              [](const Problem& a, const Problem& b) { return a.sentence < b.sentence; });
    constexpr std::size_t shown = 5;
    // Another worker can do better only if that is so of each of them.
    Cause cause = problems.empty() ? Cause::validation : problems.front().cause;
    for (std::size_t i = 0; i < problems.size(); ++i) {
        if (problems[i].cause == Cause::validation) cause = Cause::validation;
        if (i < shown) add_item(sentences, problems[i].sentence, "; ");
        if (entries.size() < 50) entries.push_back(std::move(problems[i].entry));
    }
    if (problems.size() > shown) sentences += "; and " + std::to_string(problems.size() - shown) + " more";
    Failure failure =
        failure_of(cause, "ComfyUI refused the workflow: " + (sentences.empty() ? otherwise : sentences));
    failure.details["problems"] = std::move(entries);
    return failure;
}

}  // namespace

std::vector<Respelling> respellings(const Json& body, const Choices& choices) {
    std::vector<Respelling> out;
    bool other_trouble = false;
    for_each_error(body, [&](const std::string& id, const std::string& class_type, const Json& error) {
        const Json extra = error.value("extra_info", Json::object());
        const Json* wanted = member(&extra, "received_value");
        const std::string type = text_of(error, "type");
        const bool is_value = type == "value_not_in_list" || type == "custom_validation_failed";
        other_trouble = other_trouble || !is_value || wanted == nullptr || !wanted->is_string();
        if (other_trouble) return;
        const std::string from = *wanted;
        std::string same = counterpart_of(from, allowed_values(class_type, error, choices)).same;
        other_trouble = same.empty() || same == from;
        out.push_back({id, text_of(extra, "input_name"), from, std::move(same)});
    });
    return other_trouble ? std::vector<Respelling>{} : out;
}

Failure validation_failure(const Json& body, const std::vector<Node>& nodes, const Choices& choices,
                           const std::function<std::vector<std::string>()>& classes) {
    const Json error = body.is_object() ? body.value("error", Json::object()) : Json::object();
    const std::string type = text_of(error, "type");
    const std::string message = trimmed(text_of(error, "message"), 500);
    const Json extra = error.is_object() ? error.value("extra_info", Json::object()) : Json::object();
    // "invalid_prompt" with the class in the message; newer servers: "missing_node_type" with it in
    // extra_info.
    const std::string class_type =
        type == "missing_node_type" ? text_of(extra, "class_type") : class_in_message(message);
    if (!class_type.empty()) {
        std::string id = text_of(extra, "node_id");
        const std::string details = text_of(error, "details");
        if (const auto mark = details.find("#"); id.empty() && mark != std::string::npos) {
            id = details.substr(mark + 1, details.find('\'', mark) - mark - 1);
        }
        Failure failure =
            missing_class(class_type, id.empty() ? "" : node_text(id, class_type, nodes), classes);
        if (!id.empty()) failure.details["node"] = id;
        return failure;
    }
    std::vector<Problem> problems;
    for_each_error(body, [&](const std::string& id, const std::string& its_class, const Json& one) {
        problems.push_back(one_problem(id, its_class, one, nodes, choices));
    });
    std::string otherwise = message.empty() ? "it gave no reason" : message;
    const std::string details = trimmed(text_of(error, "details"), 500);
    if (!details.empty()) otherwise += " (" + details + ")";
    if (type == "prompt_no_outputs") {
        otherwise += ": it needs at least one output node, such as SaveImage";
    } else if (type == "prompt_outputs_failed_validation" && details.empty()) {
        otherwise += "; without any details this usually means that nodes are linked in a circle";
    }
    return join(std::move(problems), otherwise);
}

std::optional<std::string> model_folder(std::string_view class_type, std::string_view input) {
    static const std::map<std::string, std::string, std::less<>> by_input{
        {"ckpt_name", "checkpoints"},
        {"lora_name", "loras"},
        {"vae_name", "vae"},
        {"unet_name", "diffusion_models"},
        {"control_net_name", "controlnet"},
        {"clip_name", "text_encoders"},
        {"clip_name1", "text_encoders"},
        {"clip_name2", "text_encoders"},
        {"clip_name3", "text_encoders"},
        {"style_model_name", "style_models"},
        {"gligen_name", "gligen"},
        {"hypernetwork_name", "hypernetworks"},
        {"upscale_model", "upscale_models"},
        {"ipadapter_file", "ipadapter"},
        {"motion_model", "animatediff_models"},
        {"audio_encoder_name", "audio_encoders"}};
    if (class_type == "CLIPVisionLoader") return "clip_vision";
    if (class_type == "UpscaleModelLoader") return "upscale_models";
    if (class_type == "PhotoMakerLoader") return "photomaker";
    const auto at = by_input.find(input);
    if (at != by_input.end()) return at->second;
    if (input == "model_name" && text::lower(class_type).find("load") != std::string::npos)
        return "a sub-folder for this loader";
    return {};
}

std::vector<std::string> choices_of(const Json& object_info, const std::string& class_type,
                                    const std::string& input) {
    std::vector<std::string> out;
    const Json* inputs = member(member(&object_info, class_type), "input");
    for (const char* group : {"required", "optional"}) {
        const Json* spec = member(member(inputs, group), input);
        if (spec == nullptr || !spec->is_array() || spec->empty()) continue;
        // Two notations: [[choices], {...}] and ["COMBO", {"options": [choices]}].
        const Json* list = &(*spec)[0];
        if (!list->is_array() && spec->size() > 1) list = member(&(*spec)[1], "options");
        if (list == nullptr || !list->is_array()) continue;
        for (const Json& choice : *list) {
            out.push_back(choice.is_string() ? choice.get<std::string>() : dump(choice));
        }
    }
    return out;
}

std::optional<std::string> upload_mark(const Json& object_info, const std::string& class_type,
                                       const std::string& input) {
    const Json* inputs = member(member(&object_info, class_type), "input");
    for (const char* group : {"required", "optional"}) {
        const Json* spec = member(member(inputs, group), input);
        if (spec == nullptr || !spec->is_array() || spec->size() < 2 || !(*spec)[1].is_object()) continue;
        const Json& options = (*spec)[1];
        for (const auto& [name, value] : options.items()) {  // image_upload, audio_upload, video_upload, ...
            if (!name.ends_with("_upload") || value != Json(true)) continue;
            const Json* folder = member(&options, "image_folder");
            return folder == nullptr || *folder == Json("input") ? "" : " [input]";
        }
    }
    return {};
}

namespace {

/// The nodes that some output node needs, itself included: only these ComfyUI validates.
std::set<std::string> needed_nodes(const Json& object_info, const std::vector<Node>& nodes) {
    std::map<std::string, const Node*> by_id;
    std::vector<std::string> open;
    for (const Node& node : nodes) {
        by_id[node.id] = &node;
        const Json* output = member(member(&object_info, node.class_type), "output_node");
        if (output != nullptr && *output == Json(true)) open.push_back(node.id);
    }
    std::set<std::string> needed;
    while (!open.empty()) {
        const std::string id = std::move(open.back());
        open.pop_back();
        const auto node = by_id.find(id);
        if (node == by_id.end() || !needed.insert(id).second) continue;
        open.insert(open.end(), node->second->sources.begin(), node->second->sources.end());
    }
    return needed;
}

bool is_file_input(const std::string& name) {
    return name == "image" || name == "audio" || name == "video" || name == "file";
}

}  // namespace

std::optional<Failure> preflight(const Json& graph, const Json& object_info, const std::vector<Node>& nodes) {
    if (!object_info.is_object() || object_info.empty() || !graph.is_object()) return {};
    for (const Node& node : nodes) {
        if (object_info.contains(node.class_type)) continue;
        return missing_class(node.class_type, node_text(node.id, node.class_type, nodes), [&] {
            std::vector<std::string> known;
            for (const auto& entry : object_info.items()) {
                known.push_back(entry.key());
            }
            return known;
        });
    }
    std::vector<Problem> problems;
    const std::set<std::string> needed = needed_nodes(object_info, nodes);
    for (const Node& node : nodes) {
        const Json* inputs = member(member(&graph, node.id), "inputs");
        const Json* required = member(member(member(&object_info, node.class_type), "input"), "required");
        if ((!needed.empty() && needed.count(node.id) == 0) || inputs == nullptr || required == nullptr ||
            !required->is_object()) {
            continue;
        }
        const std::string where = node_text(node.id, node.class_type, nodes);
        for (const auto& entry : required->items()) {
            const std::string& name = entry.key();
            const Json* value = member(inputs, name);
            if (value == nullptr) {
                Problem problem;
                problem.sentence = where + ": the required input \"" + name + "\" is missing";
                problem.entry = {{"node", node.id}, {"input", name}, {"type", "required_input_missing"}};
                problems.push_back(std::move(problem));
                continue;
            }
            // A file list may hold more than the listing says (annotated paths), so inputs of files are left
            // to ComfyUI.
            if (!value->is_string() || is_file_input(name) ||
                upload_mark(object_info, node.class_type, name)) {
                continue;
            }
            const auto allowed = choices_of(object_info, node.class_type, name);
            if (allowed.empty() || !counterpart_of(value->get<std::string>(), allowed).same.empty()) continue;
            const Json error = {{"type", "value_not_in_list"},
                                {"extra_info", {{"input_name", name}, {"received_value", *value}}}};
            problems.push_back(one_problem(node.id, node.class_type, error, nodes,
                                           [&](const std::string&, const std::string&) { return allowed; }));
        }
    }
    if (problems.empty()) return {};
    return join(std::move(problems), "");
}

}  // namespace emprops::comfyui
