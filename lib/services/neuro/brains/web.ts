import type { Brain, Choice, ForceRequest, Playing } from "./brain.ts";

/** A force that a person is asked to choose for. */
export interface Question {
  readonly request: ForceRequest;
  readonly answer: (choice: Choice) => void;
}

/** A person plays, on a page: each force waits until it is answered there. */
export class WebBrain implements Brain {
  readonly name = "web";
  readonly isPerson = true;
  /** What is open, by the game. */
  readonly #open = new Map<Playing, Question>();

  chooseForceAction(_game: string, request: ForceRequest, playing: Playing): Promise<Choice> {
    return new Promise((answer, reject) => {
      const question = { request, answer };
      this.#open.set(playing, question);
      request.signal.addEventListener("abort", () => {
        this.#close(playing, question);
        reject(new Error("it is not asked any more"));
      });
    });
  }

  /** What a game asks at present, or null. */
  questionOf(playing: Playing): Question | null {
    return this.#open.get(playing) ?? null;
  }

  /** Answers a question. @returns false when it was answered before, or is not asked any more */
  answer(playing: Playing, question: Question, choice: Choice): boolean {
    if (!this.#close(playing, question)) return false;
    question.answer(choice);
    return true;
  }

  #close(playing: Playing, question: Question): boolean {
    return this.#open.get(playing) === question && this.#open.delete(playing);
  }
}
