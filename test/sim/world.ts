import { bankEvent, subscriptionOf, urlOf } from '../../packages/service/test/support/bank-events.ts';
import { START_MS } from '../../packages/service/test/support/fake-clock.ts';
import type { BankEvent, RetryOverrides, Store, StoreChange } from '../../packages/service/test/support/parts.ts';
import { Calls, withRetry } from './calls.ts';
import { Chance } from './chance.ts';
import { FAIR, faultyStore, type Weather } from './faulty-store.ts';
import { type Instance, type Mutation, SigningFaults, startInstance } from './instance.ts';
import { InstanceClock } from './instance-clock.ts';
import { type Life, newLife } from './ledger.ts';
import { Network } from './network.ts';
import { Oracle } from './oracle.ts';
import { type Action, clientIdOf, drawScript } from './script.ts';
import { drawSettings, type Settings } from './settings.ts';
import { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly openStore: () => Store;
  readonly mutation?: Mutation;
  readonly traceOf?: (timeline: Timeline) => Trace;
}

const UNANSWERED_MS = 5000;
const STOP_MAX_MS = 120_000;

/** One seed's world: instances on one store, receivers, a bank that publishes, and everything that happens to them. */
export class World {
  readonly seed: number;
  readonly settings: Settings;
  readonly script: readonly Action[];
  readonly oracle: Oracle;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #signing: SigningFaults;
  readonly #trace: Trace;
  readonly #network: Network;
  readonly #calls: Calls;
  readonly #store: Store;
  readonly #mutation: Mutation;
  /** By number; undefined while it is down. */
  readonly #instances: (Instance | undefined)[] = [];
  readonly #isDraining = new Set<Instance>();
  readonly #publishing = new Map<Instance, number>();
  readonly #listeners = new Map<Life, (change: StoreChange) => void>();
  readonly #weather: Weather[] = [];
  readonly #skewMs: number[] = [];
  #applying: Life | undefined;
  #weatherOfAll: Weather = FAIR;
  #unaccepted = 0;
  #lives = 0;
  #isHealed = false;

  constructor(options: WorldOptions) {
    const chance = new Chance(options.seed);
    this.seed = options.seed;
    this.#chance = chance;
    this.settings = drawSettings(chance);
    this.script = drawScript(this.settings, chance);
    this.#timeline = new Timeline(chance);
    this.#signing = new SigningFaults(options.seed, this.settings, this.#timeline);
    this.#trace = options.traceOf?.(this.#timeline) ?? (() => undefined);
    this.oracle = new Oracle(this.settings, this.#timeline);
    this.#mutation = options.mutation ?? {};
    const store = options.openStore();
    this.#store = this.#mutation.store?.(store) ?? store;
    const { timeoutMs } = this.settings;
    const parts = { oracle: this.oracle, timeline: this.#timeline, chance, trace: this.#trace, timeoutMs };
    this.#network = new Network(parts);
    this.#calls = new Calls({
      ...{ store: this.#store, oracle: this.oracle, network: this.#network, nowMs: () => this.#trueNowMs() },
    });
    store.onChange((change) => this.#changed(change));
  }

  /** Runs it to its end. @returns the rule that was broken, if one was */
  async run(): Promise<string | undefined> {
    const { settings, oracle } = this;
    try {
      for (let at = 0; at < settings.tpps; at += 1) await this.#registerAtStart(at);
      for (let at = 0; at < settings.instances; at += 1) {
        this.#skewMs.push(settings.clocks === 'true' ? 0 : this.#chance.whole(-80, 80));
        this.#weather.push(FAIR);
        this.#instances.push(this.#start(at));
      }
      for (const action of this.script) this.#timeline.after(action.atMs, () => this.#act(action));
      await this.#until(settings.chaosMs, () => false);
      this.#heal();
      await this.#until(this.#timeline.nowMs + this.#healMs(), () => this.#isAllDone());
      this.#checkDelivered();
      await this.#checkStored();
      await this.#checkStop();
      return oracle.breach;
    } finally {
      await this.#store.close();
    }
  }

  get nowMs(): number {
    return this.#timeline.nowMs;
  }

  async #until(untilMs: number, isDone: () => boolean): Promise<void> {
    await this.#timeline.runUntil(untilMs, () => {
      for (const instance of this.#instances) if (instance !== undefined) this.oracle.checkMemory(instance.life);
      return this.oracle.breach !== undefined || isDone();
    });
  }

  async #registerAtStart(at: number): Promise<void> {
    const own: RetryOverrides = { retriesMax: this.#chance.whole(0, 4), delayMs: this.#chance.whole(100, 2000) };
    await this.#register(clientIdOf(at), this.#chance.happens(0.2) ? own : undefined, at < this.settings.steady);
  }

  async #register(clientId: string, retry: RetryOverrides | undefined, isSteady: boolean): Promise<void> {
    const nowMs = this.#trueNowMs();
    await this.#store.putTpp(withRetry(clientId, retry), nowMs);
    await this.#store.createRegistration(subscriptionOf(clientId), nowMs);
    this.oracle.registered(clientId, urlOf(clientId), retry, isSteady);
    this.#network.behave(urlOf(clientId), 'healthy');
  }

  #start(at: number): Instance {
    this.#lives += 1;
    const clock = new InstanceClock(this.#timeline, this.#skewMs[at] ?? 0);
    const life = newLife(`instance ${at}.${this.#lives}`, clock);
    const store = faultyStore({
      ...{ store: this.#store, life, oracle: this.oracle },
      ...{ timeline: this.#timeline, chance: this.#chance, trace: this.#trace },
      weather: () => (this.#weatherOfAll === FAIR ? (this.#weather[at] ?? FAIR) : this.#weatherOfAll),
      applying: (applying) => {
        this.#applying = applying;
      },
      onChange: (listener) => {
        this.#listeners.set(life, listener);
        return () => this.#listeners.delete(life);
      },
    });
    const client = this.#network.clientOf(life, clock);
    const { settings, oracle } = this;
    const parts = { life, store, client, settings, oracle, chance: this.#chance, mutation: this.#mutation };
    const instance = startInstance({ ...parts, signing: this.#signing });
    this.#trace(() => `${life.name} starts`);
    instance.engine.wake();
    return instance;
  }

  /** Within one process at once; to others a moment later, if at all. */
  #changed(change: StoreChange): void {
    const by = this.#applying;
    for (const [life, listener] of this.#listeners) {
      const isOwn = life === by || this.settings.instances === 1;
      if (!isOwn && !this.settings.isNotified) continue;
      this.#timeline.after(isOwn ? 0 : this.#chance.between(1, 100), () => {
        if (!life.isAlive || !this.#listeners.has(life)) return;
        this.oracle.informed(life, change.retargeted);
        listener(change);
      });
    }
  }

  #act(action: Action): void {
    this.#trace(() => `${JSON.stringify({ ...action, atMs: undefined })}`);
    if (action.kind === 'publish') this.#publish(action.events.map(({ id, clientId }) => bankEvent(clientId, id)));
    else if (action.kind === 'weather') this.#setWeather(action.instance, action.weather, action.forMs);
    else if (action.kind === 'crash') this.#crash(action.instance, action.forMs);
    else if (action.kind === 'restart') this.#restart(action.instance, action.graceMs);
    else if (action.kind === 'jump') this.#jump(action.instance, action.byMs);
    else void this.#timeline.hold(this.#deal(action));
  }

  /** The bank hands events in, again and again until it is answered, and now and then once more. */
  #publish(events: readonly BankEvent[]): void {
    this.#unaccepted += 1;
    const again = () => this.#timeline.after(this.#chance.between(200, 2000), attempt);
    const attempt = () => {
      const instance = this.#someInstance();
      if (instance === undefined) return void again();
      let isOpen = true;
      const close = () => {
        isOpen = false;
        cancel();
      };
      const giveUp = () => {
        close();
        again();
      };
      const cancel = this.#timeline.after(UNANSWERED_MS, giveUp);
      this.#publishing.set(instance, (this.#publishing.get(instance) ?? 0) + 1);
      const ended = () => this.#publishing.set(instance, (this.#publishing.get(instance) ?? 1) - 1);
      instance.publish(events).then(
        () => {
          ended();
          if (!isOpen) return;
          close();
          this.#unaccepted -= 1;
          if (this.#chance.happens(0.1) && !this.#isHealed) this.#publish(events);
        },
        () => {
          ended();
          if (isOpen) giveUp();
        },
      );
    };
    attempt();
  }

  #someInstance(): Instance | undefined {
    const running = this.#instances.filter((one) => one !== undefined && !this.#isDraining.has(one));
    return this.#chance.pickFrom(running);
  }

  #setWeather(at: number | undefined, weather: Weather, forMs: number): void {
    this.oracle.disturb();
    if (at === undefined) this.#weatherOfAll = weather;
    else this.#weather[at] = weather;
    this.#timeline.after(forMs, () => {
      this.oracle.disturb();
      if (at === undefined) this.#weatherOfAll = FAIR;
      else this.#weather[at] = FAIR;
    });
  }

  #crash(at: number, forMs: number): void {
    const instance = this.#instances[at];
    if (instance === undefined || this.#isDraining.has(instance)) return;
    this.#end(at, instance);
    const { onCrash } = this.#mutation;
    if (onCrash !== undefined) void this.#timeline.hold(onCrash(this.#store, instance.life));
    this.#timeline.after(forMs, () => {
      this.#instances[at] = this.#start(at);
    });
  }

  #end(at: number, { life }: Instance): void {
    this.oracle.disturb();
    life.isAlive = false;
    life.clock.end();
    this.#listeners.delete(life);
    this.#instances[at] = undefined;
  }

  /** As at a rolling upgrade: no more requests, then the engine, then the process. */
  #restart(at: number, graceMs: number): void {
    const instance = this.#instances[at];
    if (instance === undefined || this.#isDraining.has(instance)) return;
    this.oracle.disturb();
    this.#isDraining.add(instance);
    void this.#stop(instance, graceMs).then(() => {
      this.#isDraining.delete(instance);
      this.#end(at, instance);
      this.#instances[at] = this.#start(at);
    });
  }

  async #stop({ life, engine, ...rest }: Instance, graceMs: number): Promise<void> {
    const instance = [...this.#instances].find((one) => one?.life === life) ?? { life, engine, ...rest };
    while ((this.#publishing.get(instance) ?? 0) > 0) await this.#pause(10);
    await engine.stop(graceMs);
    this.#trace(() => `${life.name} stopped`);
    if (life.clock.timers > 0) this.oracle.fail(`${life.name} left ${life.clock.timers} timers when it stopped`);
    if (life.underWay > 0) this.oracle.fail(`${life.name} left ${life.underWay} POSTs when it stopped`);
    if (this.#listeners.has(life)) this.oracle.fail(`${life.name} still listens to the store after it stopped`);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#timeline.after(delayMs, resolve));
  }

  #jump(at: number, byMs: number): void {
    if (byMs === 0) return;
    this.#skewMs[at] = (this.#skewMs[at] ?? 0) + byMs;
    this.#setClock(at);
  }

  #setClock(at: number): void {
    const life = this.#instances[at]?.life;
    if (life === undefined) return;
    this.oracle.disturb();
    life.clock.skewMs = this.#skewMs[at] ?? 0;
    life.jumpedAtMs = this.#timeline.nowMs;
  }

  /** What comes through the API of a TPP or of the operator; the instance that served it wakes its engine. */
  async #deal(action: Action): Promise<void> {
    const instance = this.#someInstance();
    if (instance === undefined || !('clientId' in action)) return;
    const { clientId } = action;
    const party = this.oracle.parties.get(clientId);
    if (party === undefined) return;
    this.#applying = instance.life;
    if (action.kind === 'behave') this.#behave(party.url, action.behaviour, action.forMs);
    else if (action.kind === 'poll') await this.#calls.poll(clientId);
    else if (action.kind === 'redeliver') await this.#calls.redeliver(clientId, action.only);
    else if (action.kind === 'recover') await this.#calls.recover(clientId, action.how);
    else if (action.kind === 'move') await this.#calls.move(clientId, action.isOther);
    else if (action.kind === 'remove') await this.#remove(clientId, action.forMs);
    else if (action.kind === 'suspend') {
      await this.#suspend(clientId, true);
      this.#timeline.after(action.forMs, () => void this.#timeline.hold(this.#suspend(clientId, false)));
    }
    this.#applying = undefined;
    if (action.kind !== 'behave' && action.kind !== 'poll') instance.engine.wake();
  }

  #behave(url: string, behaviour: string, forMs: number): void {
    this.#network.behave(url, behaviour);
    this.#timeline.after(forMs, () => this.#network.behave(url, 'healthy'));
  }

  async #remove(clientId: string, forMs: number): Promise<void> {
    const { retry } = this.oracle.party(clientId);
    await this.#store.removeTpp(clientId, this.#trueNowMs());
    this.oracle.removed(clientId);
    this.#calls.forget(clientId);
    this.#timeline.after(forMs, () => void this.#timeline.hold(this.#register(clientId, retry, false)));
  }

  async #suspend(clientId: string, isSuspended: boolean): Promise<void> {
    const party = this.oracle.parties.get(clientId);
    if (party === undefined || party.isSuspended === isSuspended) return;
    const instance = this.#someInstance();
    this.#applying = instance?.life;
    await this.#store.putTpp({ ...withRetry(clientId, party.retry), isSuspended }, this.#trueNowMs());
    this.#applying = undefined;
    this.oracle.suspended(clientId, isSuspended);
    instance?.engine.wake();
  }

  /** All faults end. */
  #heal(): void {
    this.#trace(() => 'all is well from now on');
    this.#isHealed = true;
    this.#signing.heal();
    this.#weatherOfAll = FAIR;
    this.#weather.fill(FAIR);
    this.#network.allBehave('healthy');
    this.#skewMs.fill(0);
    for (const at of this.#skewMs.keys()) this.#setClock(at);
    for (const { clientId, isSuspended } of this.oracle.parties.values()) {
      if (isSuspended) void this.#timeline.hold(this.#suspend(clientId, false));
    }
  }

  /** Everything that may still have to be waited for, and some more. */
  #healMs(): number {
    const { policy, unresponsive, breaker, leaseMs, clocks } = this.settings;
    const waitsMs = policy.delayMaxMs + unresponsive.probeDelayMaxMs + unresponsive.rampMs + breaker.pauseMaxMs;
    return waitsMs + 2 * leaseMs + (clocks === 'jumping' ? 6_000_000 : 0) + this.settings.chaosMs + 180_000;
  }

  #isAllDone(): boolean {
    if (this.#unaccepted > 0) return false;
    for (const party of this.oracle.parties.values()) if (party.awaiting.size > 0) return false;
    return true;
  }

  #checkDelivered(): void {
    if (this.#unaccepted > 0) this.oracle.fail(`${this.#unaccepted} batches were never accepted`);
    for (const note of this.oracle.notes.values()) {
      if (note.state === 'awaiting') this.oracle.fail(`${note.jti} of ${note.clientId} was never delivered`);
      if (note.state === 'acknowledged' && !note.isTaken) this.oracle.fail(`${note.jti} never reached its TPP`);
    }
  }

  /** What the store has to say for itself must be what it promised. */
  async #checkStored(): Promise<void> {
    if (this.oracle.breach !== undefined) return;
    for (const note of this.oracle.notes.values()) {
      const stored = await this.#store.notification(note.jti);
      if (stored?.state !== note.state) this.oracle.fail(`${note.jti} is ${stored?.state}, not ${note.state}`);
      const isEvident = stored?.attempts.some(({ outcome }) => outcome.kind === 'acknowledged');
      if (stored?.acknowledgedBy === 'push' && !isEvident) this.oracle.fail(`${note.jti} has no evidence`);
    }
  }

  async #checkStop(): Promise<void> {
    if (this.oracle.breach !== undefined) return;
    let left = 0;
    for (const instance of this.#instances) {
      if (instance === undefined || this.#isDraining.has(instance)) continue;
      left += 1;
      void this.#stop(instance, 1000).then(() => {
        left -= 1;
      });
    }
    await this.#until(this.#timeline.nowMs + STOP_MAX_MS, () => left === 0);
    if (left > 0) this.oracle.fail(`${left} instances do not stop`);
  }

  #trueNowMs(): number {
    return START_MS + Math.floor(this.#timeline.nowMs);
  }
}
