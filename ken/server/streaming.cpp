// An answer as a stream of chunks. The computing thread hands over what it has chosen; the connection's thread makes
// JSON of it and writes it, so that no pass waits for that.
#include "ken/base/error.h"
#include "ken/server/frame.h"
#include "ken/server/stream.h"
#include "ken/stats/finite.h"

namespace ken::server {
namespace {

using generate::Generated;

// Of one sample: new text with the tokens behind it, or its end.
struct News {
  size_t asked, sample;
  std::string text;
  Generated more;  // its tokens, logprobs and alternatives come behind those before; at the end, the whole answer
  bool end = false;
  std::exception_ptr error = {};  // of all samples of the prompt
};

// The elements that `seen` has not passed on yet.
template <typename T>
std::vector<T> since(const std::vector<T>& all, size_t seen) {
  return {all.begin() + long(std::min(seen, all.size())), all.end()};
}

template <typename T>
void append(std::vector<T>& to, std::vector<T>& more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

class Chunks {
 public:
  Chunks(Engine& engine, const Setup& setup, Exchange exchange)
      : engine_(engine),
        setup_(setup),
        exchange_(std::move(exchange)),
        frame_(frame_of(exchange_, setup, true)),
        passed_(exchange_.asked.size() * size_t(exchange_.call.n)),
        left_(exchange_.asked.size()),
        sent_(passed_.size()) {}

  // What is wrong with the request comes out of here, before a byte is written.
  static void begin(const std::shared_ptr<Chunks>& self) {
    self->captured_ = add_capture(self->exchange_, self->engine_, self->setup_);
    for (size_t i = 0; i < self->exchange_.asked.size(); ++i) {
      Asked& asked = self->exchange_.asked[i];
      // The request is held by the engine and holds this no longer than its end.
      asked.request->on_text = [raw = self.get(), i](const generate::Piece& piece) { raw->pass_on(i, piece); };
      self->tickets_.push_back(
          self->engine_.submit(self->exchange_.place, asked.request,
                               [self, i](generate::Outcome outcome) { self->pass_end(i, std::move(outcome)); }));
    }
  }

  void write(const Write& write) {
    for (;;) {
      auto [pieces, over] = channel_.take(look_up);
      std::string chunks;  // what came meanwhile goes out together
      for (News& news : pieces) chunks += chunks_of(news);
      if (over) chunks = last_chunks();
      const bool here = chunks.empty() ? !exchange_.has_left() : write(chunks);
      if (over) return;
      if (here) continue;
      for (const uint64_t ticket : tickets_) engine_.cancel(ticket);
      return;
    }
  }

 private:
  size_t index(size_t asked, size_t sample) const { return asked * size_t(exchange_.call.n) + sample; }

  // On the computing thread.
  void pass_on(size_t asked, const generate::Piece& piece) {
    size_t& passed = passed_[index(asked, piece.sample)];
    Generated more;
    more.tokens = since(piece.so_far.tokens, passed);
    more.logprobs = since(piece.so_far.logprobs, passed);
    more.alternatives = since(piece.so_far.alternatives, passed);
    passed = piece.so_far.tokens.size();
    channel_.put({asked, piece.sample, piece.text, std::move(more)});
  }
  void pass_end(size_t asked, generate::Outcome outcome) {
    if (outcome.error) channel_.put({asked, 0, "", {}, true, outcome.error});
    for (size_t j = 0; j < outcome.results.size() && !outcome.error; ++j)
      channel_.put({asked, j, "", std::move(outcome.results[j]), true});
    if (--left_ == 0) channel_.close();
  }

  // On the connection's thread.
  std::string chunk(const Json& json) const { return "data: " + dumped(json) + "\n\n"; }

  std::string chunks_of(News& news) {
    if (news.error) return chunk(failure_of(news.error).json);
    Sent& sent = sent_[index(news.asked, news.sample)];
    if (news.end) {
      sent.answer = std::move(news.more);
      read_ += news.sample == 0 ? exchange_.asked[news.asked].tokens.size() : 0;
      reused_ += news.sample == 0 ? size_t(sent.answer.reused) : 0;
      written_ += sent.answer.tokens.size();
      Json last = choice(news, "", scored_tokens(sent.answer), finish_reason(sent.answer));
      last["ken"]["probability"] = stats::finite_or_null(std::exp(sent.answer.logprob()));
      return chunk(frame_.with(Json::array({std::move(last)})));
    }
    append(sent.answer.tokens, news.more.tokens);
    append(sent.answer.logprobs, news.more.logprobs);
    append(sent.answer.alternatives, news.more.alternatives);
    const std::string text(sent.begun ? news.text : message_text(exchange_, setup_, news.text));
    // A token's text may come in a later piece; its probability goes with the first piece after it.
    return chunk(frame_.with(Json::array({choice(news, text, sent.answer.logprobs.size(), nullptr)})));
  }

  Json choice(const News& news, const std::string& text, size_t to, Json finish) {
    const size_t i = index(news.asked, news.sample);
    Sent& sent = sent_[i];
    Json choice{{"index", i}};
    if (exchange_.chat) {
      choice["delta"] = Json::object();
      if (!sent.begun) choice["delta"]["role"] = "assistant";
      if (!text.empty() || !sent.begun) choice["delta"]["content"] = text;
    } else {
      choice["text"] = text;
    }
    choice["logprobs"] = logprobs_of(engine_, exchange_, sent.answer, {sent.tokens, to}, nullptr, sent.bytes);
    choice["finish_reason"] = std::move(finish);
    Json tokens = Json::array();
    for (size_t t = sent.tokens; t < to; ++t) tokens.push_back(std::exp(sent.answer.logprobs[t]));
    choice["ken"] = {{"token_probabilities", tokens}};
    sent.begun = true, sent.tokens = to, sent.bytes += text.size();
    return choice;
  }

  std::string last_chunks() const {
    std::string end = "data: [DONE]\n\n";
    if (!exchange_.call.usage) return end;
    Json body = frame_.with(Json::array());
    body["usage"] = usage(read_, written_, reused_);
    body["ken"] = knowledge_of_call(exchange_, engine_);
    if (captured_) body["ken"]["captured"] = encoded(*captured_);
    return chunk(body) + end;
  }

  struct Sent {
    Generated answer = {};
    bool begun = false;
    size_t tokens = 0, bytes = 0;
  };
  Engine& engine_;
  const Setup& setup_;
  Exchange exchange_;
  const Frame frame_;
  std::vector<size_t> passed_;  // tokens of each sample; of the computing thread, as is left_
  size_t left_;
  size_t read_ = 0, written_ = 0, reused_ = 0;
  std::vector<Sent> sent_;
  std::shared_ptr<Captured> captured_;
  std::vector<uint64_t> tickets_;
  Channel<News> channel_;
};

}  // namespace

Reply answer_streaming(Engine& engine, const Setup& setup, Exchange exchange) {
  const auto chunks = std::make_shared<Chunks>(engine, setup, std::move(exchange));
  Chunks::begin(chunks);
  return {.type = "text/event-stream", .stream = [chunks](const Write& write) { chunks->write(write); }};
}

}  // namespace ken::server
