// Named activations of many prompts as files: safetensors shards and an index, written block by block, so that memory
// is bounded and a killed run goes on where it was and ends with the same bytes.
#pragma once
#include "ken/base/json.h"
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/readout/collect.h"

namespace ken::readout {

// A prompt, what stands in it, and where its answer begins.
struct CapturePrompt {
  std::string id, text;
  std::map<std::string, std::string> words = {};  // by the record's field: "subject", ...
  size_t answer = std::string::npos;              // the byte where the answer begins; npos: the text ends before it
  size_t from = 0;                                // words are looked for from this byte on
  std::shared_ptr<const text::ChatTokens> chat = {};
};

// Records with "prompt" (and "id", "answer", any words; where the prompt ends with its answer, that is where it
// begins), or plain text with a prompt a line.
std::vector<CapturePrompt> read_prompts(const fs::path& path);
// Each fact's question as this style asks it; `with_answer`: and the first of its answers.
std::vector<CapturePrompt> prompts_of(const data::FactSet& facts, const data::PromptStyle& style, bool with_answer);

struct CaptureOptions {
  std::vector<std::string> points = {"blocks.*.hook_resid_post"};  // names as taps take them
  std::vector<int64_t> layers = {};                                // of the points with *; empty: all
  // "all" alone: every token. Else "answer" (the last token before the answer), "last", or fields of the records (the
  // last token of those words).
  std::vector<std::string> tokens = {"answer"};
  io::DType dtype = io::DType::f32;  // or bf16
  int64_t block = 256;               // prompts of a shard at most
  int64_t block_bytes = 256 << 20;   // of a shard at most, unless one prompt has more
  nn::Compute compute = nn::Compute::f32;
  Progress progress = {};
};

// Writes folder/shard-00000.safetensors, ... and folder/index.json, and returns the index. A shard holds each point:
// [prompts, tokens named, width...] with found [prompts, tokens named] (false: the words do not occur, values are 0);
// for "all" [rows, width...] with offsets [prompts + 1] and token_ids [rows]. Shards that are there are kept; a folder
// of other settings or prompts is refused.
Json capture(const model::Model& model, const std::vector<CapturePrompt>& prompts, const CaptureOptions& options,
             const fs::path& folder);

}  // namespace ken::readout
